"""Ten full frames of the example one after the other in one session, each into a store of its own: what each costs.

Arguments: proposal, settings, folder of the stores.
"""

import json
import sys
import time

import mirage_dask

proposal = mirage_dask.open_proposal(sys.argv[1], settings=sys.argv[2])
table = proposal.table
costs = []
for number, name in enumerate(table.loc[table["subarray"] == "FULL", "name"].iloc[:10]):
    start = time.process_time()
    assert proposal.simulate(f"{sys.argv[3]}/{number}.zarr", select=[name], progress=False).ok
    costs.append(time.process_time() - start)
print(json.dumps({"first": costs[0], "tenth": costs[-1]}))
