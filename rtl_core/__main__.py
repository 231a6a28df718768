from rtl_core.cli import main

main()
