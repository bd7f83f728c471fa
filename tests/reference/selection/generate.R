# Reference numbers for inference after selection; writes numbers.json and wide.csv.
# Run:  Rscript generate.R        (working directory = the folder of this file)
#
#  * debiased: the formulas of van de Geer et al. (2014) in plain R, both lassos by glmnet at thresh 1e-24: the logistic
#    one, and the regressions of chosen columns on the others with the weights of the likelihood's curvature
#  * bounds: stabsel_parameters() of the package stabs (0.6-4). Where the package cannot be installed, STABS_SOURCE names
#    a file that defines um_const, minD, optimal_cutoff and optimal_q as it does
#  * multi_split: how hdi::multi.split joins p-values, quantile(p, gamma) / gamma, with R's default quantiles (hdi) and
#    with order statistics (type 1, the definition of Meinshausen, Meier and Buehlmann 2009)

suppressMessages({library(glmnet); library(jsonlite)})
if (requireNamespace("stabs", quietly = TRUE)) {
  for (f in c("um_const", "minD", "optimal_cutoff", "optimal_q")) assign(f, getFromNamespace(f, "stabs"))
} else source(Sys.getenv("STABS_SOURCE"))

## debiased lasso ------------------------------------------------------------------------------------------------------
set.seed(20)
n <- 50; p <- 70
f <- rnorm(n)
X <- round(0.5 * f + matrix(rnorm(n * p), n, p) %*% diag(exp(seq(-1, 1, length.out = p))), 2)
v <- sample(1:3, n, TRUE)
y <- rbinom(n, 1, plogis(1.5 * X[, 20] - X[, 40]))
write.csv(data.frame(y = y, v = v, X), "wide.csv", row.names = FALSE, quote = FALSE)

lambda <- 0.08
tight <- list(thresh = 1e-24, maxit = 1e8)
fit <- do.call(glmnet, c(list(X, y, family = "binomial", weights = v, lambda = c(0.2, 0.12, lambda)), tight))
b0 <- fit$a0[3]; b <- as.numeric(fit$beta[, 3])
mu <- plogis(b0 + drop(X %*% b))
w <- v * mu * (1 - mu)
centre <- colSums(w * X) / sum(w)
scale <- sqrt(colSums(w * sweep(X, 2, centre)^2) / sum(w))
Z <- sweep(sweep(X, 2, centre), 2, scale, "/")
one <- function(j) {
  top <- max(abs(crossprod(Z[, -j], w * Z[, j])) / sum(w))
  l <- top * 0.7^(0:6)
  g <- do.call(glmnet, c(list(Z[, -j], Z[, j], weights = w, lambda = l, standardize = FALSE), tight))
  z <- Z[, j] - g$a0[7] - drop(Z[, -j] %*% g$beta[, 7])
  own <- sum(w * z * Z[, j])
  list(j = j - 1, lambda = l[7], g = as.numeric(g$beta[, 7]), estimate = b[j] + sum(z * v * (y - mu)) / own / scale[j],
       std_error = sqrt(sum(w * z^2)) / own / scale[j], noise = sqrt(sum(w * z^2) / sum(w)) / (own / sum(w)),
       bias = sqrt(sum(v)) * max(abs(crossprod(Z[, -j], w * z))) / sum(w) / sqrt(sum(w * z^2) / sum(w)))
}
debiased <- list(lambda = lambda, intercept = b0, coef = b, nodes = lapply(c(1, 20, 40, 70), one))

## bounds of stability selection -----------------------------------------------------------------------------------------
grid <- expand.grid(p = c(50, 100, 691), B = c(20, 50, 100), cutoff = c(0.6, 0.75, 0.9, 0.95), q = c(3, 10, 20))
grid <- grid[grid$q / grid$p < 0.25, ]
refused <- function(e) NA
grid$none <- with(grid, q^2 / p / (2 * cutoff - 1))
grid$unimodal <- mapply(function(p, B, cutoff, q) tryCatch(q^2 / p / um_const(cutoff, B, q / p), error = refused),
                        grid$p, grid$B, grid$cutoff, grid$q)
grid$r_concave <- mapply(function(p, B, cutoff, q) tryCatch(minD(q, p, cutoff, B) * p, error = refused),
                         grid$p, grid$B, grid$cutoff, grid$q)
ask <- expand.grid(p = c(100, 691), B = c(50, 100), assumption = c("unimodal", "r-concave"), stringsAsFactors = FALSE)
ask$cutoff <- mapply(function(p, B, a) optimal_cutoff(p, 10, 0.5, B, a), ask$p, ask$B, ask$assumption)
ask$q <- mapply(function(p, B, a) optimal_q(p, 0.8, 1, B, a), ask$p, ask$B, ask$assumption)

## joining p-values of many splits ----------------------------------------------------------------------------------------
B <- 40; k <- 6
P <- outer(1:B, 1:k, function(i, j) pmin(1, ((7 * i + 13 * j) %% 41 + 1) / 42 * 10^(2 - j)))
join <- function(type, gamma) apply(P, 2, function(x)
  min(1, (1 - log(min(gamma))) * min(quantile(x, gamma, type = type) / gamma)))
gamma <- seq(ceiling(0.05 * B) / B, 1 - 1 / B, by = 1 / B)
multi_split <- list(p_values = P, hdi = join(7, gamma), order_statistics = join(1, c(gamma, 1)), gamma_min = min(gamma))

write_json(list(debiased = debiased, bounds = grid, asked = ask, multi_split = multi_split), "numbers.json",
           digits = NA, auto_unbox = TRUE, na = "null", dataframe = "columns", matrix = "rowmajor")
