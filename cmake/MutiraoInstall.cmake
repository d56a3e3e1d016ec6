# Where the package is installed and how find_package(mutirao) finds it.
