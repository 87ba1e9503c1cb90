"""How many examples a property is tried with: some in the quick ring, many in the slow one.

`make test` looks whether a property holds at all; `make test-slow` tries every property again, with the profile
`thorough`, and has the time to find the rare counterexample. A test that needs more or fewer than others says
`@settings(max_examples=examples(200))`.
"""

from hypothesis import settings

USUAL = 100  # hypothesis's own number
QUICK_SHARE, THOROUGH_SHARE = 0.25, 4
FEWEST = 10


def register_profiles() -> None:
    """`quick` holds from now on, unless pytest is told `--hypothesis-profile=thorough`."""
    # How long an example takes says nothing on a machine that others use, too; `make bench` measures.
    # The quick ring tries the same ones each time: it says whether a change broke something, not whether one is lucky.
    settings.register_profile("quick", deadline=None, derandomize=True, max_examples=int(USUAL * QUICK_SHARE))
    settings.register_profile(
        "thorough", deadline=None, derandomize=False, print_blob=True, max_examples=USUAL * THOROUGH_SHARE
    )
    settings.load_profile("quick")


def examples(usual: int) -> int:
    """The share of `usual` that this ring takes."""
    return max(min(usual, FEWEST), usual * settings().max_examples // USUAL)
