def add(cases): pass
