"""Manifests for Kubernetes, derived from the steps and from the list of services: what deploy/kubernetes/base holds."""
