"""Payment providers that come with the package."""
