"""One framework around a list of routes: find the route, read the request, answer."""
