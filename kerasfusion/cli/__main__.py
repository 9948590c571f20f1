from kerasfusion.cli import main

if __name__ == "__main__":
    main()
