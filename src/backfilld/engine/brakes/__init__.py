"""The room of the brakes: looking at the present, and holding what they apply to."""
