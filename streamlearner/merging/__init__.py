"""Several learners' memories as one: what it holds is what one learner would that saw all they saw.

contract.py  what a method gives that can do so
shards.py    what one learner gives, and which indices its classes and tasks have in the whole
fits.py      which fit of the association the codes are of, and codes of one fit as those of another
memories.py  recollection memories, as one
exams.py     withheld examples, as one exam
"""
