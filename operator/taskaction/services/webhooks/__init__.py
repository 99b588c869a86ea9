"""The inbox: takes webhooks in over HTTP and stores them as ActionEvents; decides nothing about actions."""
