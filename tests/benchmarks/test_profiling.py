"""What perf and py-spy print, read."""

from benchmarks.profiling import functions, kinds

PERF = """
    ffffffff8100 __udp4_lib_lookup+0x10 ([kernel.kallsyms])
    ffffffff8200 udp_sendmsg+0x10 ([kernel.kallsyms])
    ffffffff8300 __x64_sys_sendto+0x20 ([kernel.kallsyms])
        7f0001 __send+0x10 (/usr/lib/libc.so.6)

    7f0002 _PyEval_EvalFrameDefault+0x10 (/opt/lib/libpython3.11.so.1.0)
    7f0003 main (/usr/bin/python3.11)

    7f0004 DOUBLE_add (/opt/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so)

    ffffffff8400 ep_poll ([kernel.kallsyms])
    ffffffff8500 do_epoll_wait ([kernel.kallsyms])
    ffffffff8600 __x64_sys_epoll_wait ([kernel.kallsyms])

    ffffffff8200 udp_sendmsg ([kernel.kallsyms])
    ffffffff8201 io_send ([kernel.kallsyms])
    ffffffff8202 __x64_sys_io_uring_enter ([kernel.kallsyms])

    ffffffff8700 asm_sysvec_apic_timer_interrupt ([kernel.kallsyms])
    7f0005 _PyEval_EvalFrameDefault (/opt/lib/libpython3.11.so.1.0)
"""


def test_samples_by_what_the_processor_was_at() -> None:
    assert kinds(PERF) == {
        "system call: send": 1,
        "io_uring: send": 1,
        "Python": 1,
        "numpy": 1,
        "system call: epoll": 1,
        "kernel, no system call": 1,
    }


def test_samples_by_function_and_none_of_the_loop_asleep() -> None:
    raw = (
        "main (a.py:1);Worker.run (ivr/media/worker.py:9);Worker._send (ivr/media/worker.py:20) 7\n"
        "main (a.py:1);Worker.run (ivr/media/worker.py:9);Worker._send (ivr/media/worker.py:22) 2\n"
        "main (a.py:1);EpollSelector.select (selectors.py:468) 30\n"
    )
    assert functions(raw) == {"Worker._send (ivr/media/worker.py)": 9}
