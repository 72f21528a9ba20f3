"""The operator's console: pages in a browser, on a port of their own, in the front's event loop."""
