"""Pictures: from a shot on the plan to a scored take.

Nothing is imported here, so that ``import generation.brief`` costs nothing (no torch) in the catalog and in Airflow.
"""
