"""Webhook inbox: accepts webhooks over HTTP and stores them as ActionEvents; makes no decisions about actions."""
