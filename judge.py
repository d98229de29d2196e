import sys, time, pathlib
from tests.faults.driver import history
from tests.faults.driver.evidence import Evidence
from tests.faults.checker import violations
d=pathlib.Path(sys.argv[1]); t=time.time()
ops,faults=history.load(d/"history.jsonl")
v=violations(ops,faults,Evidence.load(d/"evidence.json"))
print(len(ops), len(faults), len(v), time.time()-t)
for x in v[:20]: print(x[:400])
