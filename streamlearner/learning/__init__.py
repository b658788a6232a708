"""All that is learned from a stream, without the stream.

Read learner.py first.

learner.py        Learner: the method and all that must agree with it, saved and restored as one
targets.py        what is to be learned of a batch
consolidation.py  a sleep or transplant under way, and its result
evaluating.py        accuracy on the exam
predictor.py      predictions, and the frozen copy that is served
"""
