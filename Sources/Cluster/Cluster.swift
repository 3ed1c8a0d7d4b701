// Contract of the target; see docs.
