"""Tokens of an OpenID issuer for people and services: getting them, keeping them, renewing them.

A `TokenSource` is a function without arguments that returns an access token that is good for the next request.
"""
