"""The operator on a cluster for daily work (`make up`, `make down`) and the demo; clusters are made by `cluster`."""
