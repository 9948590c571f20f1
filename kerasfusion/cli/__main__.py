from kerasfusion.cli import main

main()
