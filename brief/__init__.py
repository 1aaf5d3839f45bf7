"""What is asked and what came of it: types, casting sheets, prompts, recipes, the plan, image files.

No torch, no sqlalchemy, no airflow, so that everything may import it at no cost.
"""
