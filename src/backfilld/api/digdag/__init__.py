"""`/api/…`: digdag's REST dialect as its clients speak it. A skin: what a request means is said in `operations`."""
