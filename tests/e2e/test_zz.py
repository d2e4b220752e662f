from harness.clients import *
from harness.contents import *
from harness.verify import verify
from harness.places import new_bucket
from harness.mischief import *
import time, pytest
def test_a(make_daemon, place, tmp_path):
    d=make_daemon(place)
    c=StateCounts(tmp_path/"s")
    d.start(Mischief(states=c.path))
    t=time.time()
    with running_clients(d, Workload(collections=["a","b"], shapes=list(Shape), each=8), tmp_path/"l") as cl:
        calls=cl.wait()
    print(len(calls), time.time()-t, c.present())
    v=verify(d,calls)
    print(v, time.time()-t)
    assert not v
    d.stop()
