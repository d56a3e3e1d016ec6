#!/usr/bin/Rscript
# ranger's side of bench/run: fits and predicts what it is told to on stdin, with the settings of
# scikit-learn's forests: 100 trees, fully grown, all features at a node (classes: the square root).
#
#     ranger.R TABLES CORES
#
# Lines in and out are those of models.py: `fit/ranger/20640x8 0.3`, what, and for how many seconds
# at least to repeat it; {"seconds": per run, "r2": on the held-out table, for classes the accuracy}.
suppressMessages(library(ranger))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
cores <- as.integer(arguments[2])

load_table <- function(size, part) {
  columns <- as.integer(strsplit(size, "x")[[1]][2])
  path <- file.path(folder, paste0(size, ".", part, ".f64"))
  numbers <- matrix(readBin(path, "double", file.size(path) / 8), ncol = columns + 1)
  x <- numbers[, 1:columns]
  colnames(x) <- paste0("x", 1:columns)
  list(x = x, y = numbers[, columns + 1])
}

repeated <- function(seconds, run) {
  runs <- 0
  start <- proc.time()[["elapsed"]]
  repeat {
    result <- run()
    runs <- runs + 1
    taken <- proc.time()[["elapsed"]] - start
    if (taken >= seconds) return(list(seconds = taken / runs, result = result))
  }
}

cat(sprintf('{"ranger": "%s", "R": "%s.%s"}\n', packageVersion("ranger"), R.version$major,
            R.version$minor))
flush(stdout())
asked <- file("stdin", "r")
tables <- list()
forest <- NULL
fitted <- ""
while (length(line <- readLines(asked, n = 1)) > 0) {
  words <- strsplit(line, "[/ ]")[[1]]
  action <- words[1]
  model <- words[2]
  size <- words[3]
  seconds <- as.numeric(words[4])
  if (is.null(tables[[size]])) {
    tables[[size]] <- list(train = load_table(size, "train"), test = load_table(size, "test"))
  }
  train <- tables[[size]]$train
  test <- tables[[size]]$test
  classes <- grepl("_classes$", model)
  labels <- function(y) factor((y > 15) + (y > 40), levels = 0:2)
  y <- if (classes) labels(train$y) else train$y
  p <- ncol(train$x)
  fit <- function() {
    ranger(x = train$x, y = y, num.trees = 100, mtry = if (classes) floor(sqrt(p)) else p,
           min.node.size = 1, num.threads = cores, oob.error = FALSE, seed = 1, verbose = FALSE)
  }
  predicted <- function() {
    predict(forest, test$x, num.threads = cores, verbose = FALSE)$predictions
  }
  if (action == "fit") {
    found <- repeated(seconds, fit)
    forest <- found$result
    fitted <- paste(model, size)
    values <- predicted()
  } else {
    if (fitted != paste(model, size)) {
      forest <- fit()
      fitted <- paste(model, size)
    }
    found <- repeated(seconds, predicted)
    values <- found$result
  }
  score <- if (classes) mean(values == labels(test$y))
           else 1 - sum((test$y - values)^2) / sum((test$y - mean(test$y))^2)
  cat(sprintf('{"seconds": %.9f, "r2": %.9f}\n', found$seconds, score))
  flush(stdout())
}
