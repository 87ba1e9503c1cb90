"""Records of the user's world: what they are, what their ids may be, what an imported file says of them."""
