"""Search over hyper-parameters: many trainings, judged on the validation part."""
