"""SR-IQA sets made of anyone's photographs: degraded, super-resolved, scored by a formula."""
