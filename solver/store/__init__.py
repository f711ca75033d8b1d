"""The run directory: what the engine said and what was decided, durable and never redone. Opens without a GPU stack.

    In: Sample and Result records, row ids and decisions.  Out: parquet shards, and the answers to "is it done?".

The owner (one per directory, by lock):

    with Store.create_or_open(path, verb="run") as store:     # LockedError, StoreError, MachineError
        store.epoch                                           # the number of this start
        store.notes                                           # what was found damaged or half done, and mended
        store.check_fingerprint(fingerprint, "solver run ... -o output.dir=...")     # FingerprintError
        store.write_job(text, {"name": ..., "model": ...})    # and a dataset card, where there is none yet
        store.done(row_id, decision)                          # a durable result with this decision?
        store.done_rows(InputRows(ids, decisions))            # the same for a whole input, as arrays
        store.samples_of(row_id, max_tokens=, context=)       # {SampleKey: Sample} that answer this row's calls
        store.copies_of(row_id)                               # the same without judging, cancelled ones included
        store.sample_count(row_id)                            # durable copies, without reading their texts
        async with store.writer(worker=0, flush_seconds=15.0, flush_bytes=2**26, extra=schema) as writer:
            await writer.add(sample)                          # samples of a problem first,
            await writer.add_result(result)                   # then its result
            await writer.flush()                              # durable now; also happens by itself
            writer.durable_samples, writer.durable_results    # counted from the first row added
            writer.full                                       # waits for space on a full disk: admit nothing new
        store.finish(summary, current)                        # current: InputRows, or (row_id, decision, row) of each

`done`, `samples_of` and `sample_count` know what was durable at opening, not what this run adds. Another process (a Ray
actor) writes with `Writer(path, epoch=store.epoch, worker=n, extra=schema)` and reads with `Store.read(path)`.

Everybody else:

    store = Store.read(path)                                  # StoreError; no lock, no writes
    store.finished, store.summary                             # from the manifest
    store.results(columns=), store.result(id_or_row_id)       # rows as dictionaries; `result_of_row` makes records
    store.samples()                                           # Sample records, exact text, cancelled ones included
    store.result_batches(columns), store.sample_batches(columns)     # the same as arrow record batches

`answers(sample, max_tokens=, context=)` says whether one durable sample answers a call; `chosen(copies)` which copy
stands for a key. The rooms: publish (how a file becomes durable), layout (names), lock, shards (parquet files), tables
(schemas), writer (buffer and flush), index and current (key columns as arrays), ledger (the index of a directory and
what to do about damage), swap (exchange of shards), settle (one copy of each sample), manifest (what stands beside the
tables), directory (`Store`), compact (a run of very many shards as a new run).
"""

from solver.store.directory import Store
from solver.store.index import InputRows, answers, chosen
from solver.store.lock import holder
from solver.store.manifest import fingerprint_faults
from solver.store.shards import CorruptShardError
from solver.store.tables import RESULTS, SAMPLES, own_data, result_of_row, results_schema
from solver.store.writer import Writer

__all__ = [
    "RESULTS",
    "SAMPLES",
    "CorruptShardError",
    "InputRows",
    "Store",
    "Writer",
    "answers",
    "chosen",
    "fingerprint_faults",
    "holder",
    "own_data",
    "result_of_row",
    "results_schema",
]
