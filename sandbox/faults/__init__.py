"""Inject faults into the functions' requests to AWS."""
