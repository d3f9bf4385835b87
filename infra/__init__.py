"""The CDK stack. `python app.py --env dev` writes its template; nothing here is imported by what is deployed."""
