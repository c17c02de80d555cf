"""GoHighLevel (HighLevel, LeadConnector): its webhooks become our events here."""
