"""SGLang's language engine on the CPU, with the installed wheel."""
