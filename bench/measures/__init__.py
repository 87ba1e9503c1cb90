"""What is not a ratio of rounds: each module measures one thing, in a database of its own, and answers with figures."""
