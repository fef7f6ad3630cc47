"""Notes in the plan on targets whose callers SGLang compiles."""

COMPILED_CALLERS = "a toggle compiles callers again, once; captured graphs keep their choice"
