"""From a result or an error to an answer."""
