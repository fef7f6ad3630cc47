"""Reach a running process from another shell: what ``syncfree ps``, ``top`` and ``toggle`` talk to.

Each process that has loaded a framework's hooks listens at a Unix socket in a run directory of its user, with one thread that
sleeps until somebody connects. The commands find the sockets, group the processes into jobs, and switch a job's choices in
all of its processes or in none.

* `_directory`: the run directory, its owner and mode, the sockets in it.
* `_identity`: which job this process belongs to.
* `_link`: one JSON object per line over a socket.
* `_server`: the socket and the thread of this process, also after a fork.
* `_answers`: what this process does when it is asked.
* `_report`: what a process tells about itself.
* `_decision`: one outcome for all processes of a toggle, whoever dies meanwhile.
* `_toggled`: a toggle in one of the processes.
* `_timed`: time a hook's calls in one of the processes, for a comparison.
* `_gate`: hold the calls of a hook in lockstep at one call until all ranks stand there.
* `_client`: ask the processes.
* `_parties`, `_group`: whom a toggle concerns, here and on other machines.
* `_toggle`: make a toggle in all processes of a job.
* `http`: see and switch the job of a server over HTTP, behind its API key.
* `_store`: the store of the job's process group, and `_over_store`: messages in it.
* `_follower`: a rank's part in toggles that are made on another machine, and `_relay`: its leader's.
* `_timing`: time a hook's calls in all processes of a job.
"""
