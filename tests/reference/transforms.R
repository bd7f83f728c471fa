# R's poly, ns, bs and quantile on inputs that tests/data/test_transforms.py writes out again.
# Made transforms.json; run with: Rscript transforms.R > transforms.json   (R >= 4.0; no packages beyond R's own)
library(splines)

x <- (1:20)^2 / 10                      # 0.1 … 40, uneven
new <- c(-3, 0.1, 0.25, 7.3, 22.5, 40, 47)    # two of them outside the range
inside <- c(0.1, 0.25, 7.3, 22.5, 40)
tied <- c(1, 1, 1, 2, 2, 3, 5, 8, 8, 13)

numbers <- function(v) paste0("[", paste(sprintf("%.17g", v), collapse = ", "), "]")
rows <- function(m) paste0("[", paste(apply(unclass(m), 1, numbers), collapse = ",\n    "), "]")
case <- function(name, basis, at) {
  cat(sprintf(' "%s": {\n   "fit": %s,\n   "new": %s\n },\n', name, rows(basis), rows(predict(basis, at))))
}

cat("{\n")
cat(sprintf(' "R": "%s",\n', R.version.string))
cat(sprintf(' "quantile": %s,\n', numbers(quantile(tied, c(0.1, 0.25, 1/3, 0.5, 0.9), type = 7))))
case("poly(x, 1)", poly(x, 1), new)
case("poly(x, 3)", poly(x, 3), new)
case("poly(x, 6)", poly(x, 6), new)
case("poly(tied, 4)", poly(tied, 4), new)
case("poly(x, 3, raw=True)", poly(x, 3, raw = TRUE), new)
case("ns(x, 1)", ns(x, 1), new)
case("ns(x, 2)", ns(x, 2), new)
case("ns(x, 4)", ns(x, 4), new)
case("ns(x, df=4, intercept=True)", ns(x, df = 4, intercept = TRUE), new)
case("ns(x, knots=[5, 12, 30])", ns(x, knots = c(5, 12, 30)), new)
case("ns(x, 3, boundary_knots=[2, 30])", ns(x, 3, Boundary.knots = c(2, 30)), new)
case("ns(tied, 3, boundary_knots=[0, 15])", ns(tied, 3, Boundary.knots = c(0, 15)), new)
case("bs(x, 5)", bs(x, 5), inside)
case("bs(x, df=6, include_intercept=True)", bs(x, df = 6, intercept = TRUE), inside)
case("bs(x, 4, degree=2)", bs(x, 4, degree = 2), inside)
case("bs(x, knots=[5, 12], degree=1)", bs(x, knots = c(5, 12), degree = 1), inside)
case("bs(x, 5, lower_bound=-5, upper_bound=50)", bs(x, 5, Boundary.knots = c(-5, 50)), new)
options(warn = -1)                      # R warns that it extrapolates
case("bs(x, 5, extrapolate=True)", bs(x, 5), new)
case("bs(x, 4, lower_bound=2, upper_bound=30, extrapolate=True)", bs(x, 4, Boundary.knots = c(2, 30)), new)
cat(sprintf(' "scale(x, ddof=1)": %s\n', numbers(scale(x)[, 1])))
cat("}\n")
