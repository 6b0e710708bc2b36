"""Mutation testing: does a test notice when a rule is changed? (``make mutants``, docs/explanation/testing.md)"""
