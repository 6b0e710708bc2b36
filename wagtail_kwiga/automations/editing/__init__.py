"""From the forms that editors fill in to the version that people follow."""
