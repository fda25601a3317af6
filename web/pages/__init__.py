"""What a person looks at: one function a page, each a query in a thread and a template."""
