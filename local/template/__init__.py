"""The template of a cloud assembly, with its references resolved. Nothing here runs or creates anything."""
