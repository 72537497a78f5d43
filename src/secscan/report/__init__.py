"""What is shown of a judgement: view models, charts, rendering, exports."""
