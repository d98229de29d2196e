import hypothesis

# The machines that run this are slow at times; what counts is the answer. A failure prints how to repeat it.
hypothesis.settings.register_profile("project", deadline=None, print_blob=True, max_examples=200)
hypothesis.settings.load_profile("project")
