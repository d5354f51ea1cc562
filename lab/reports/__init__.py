"""Tables, pages and pictures of finished runs."""
