# Firth's estimates with a corrected intercept (FLIC, Puhr et al. 2017), by the recipe of logistf::flic with the packages
# at hand: slopes by brglm2 (type = "AS_mean"), the intercept by glm with the slopes in the offset, covariance from the
# information at that estimate (logistf takes it for the intercept, and for the slopes the information before).
# Made flic.json; run here with: Rscript flic.R > flic.json
library(brglm2)

numbers <- function(v) paste0("{", paste(sprintf('"%s": %.17g', names(v), v), collapse = ", "), "}")

flic <- function(name, file, formula, weights = NULL, offset = NULL, factors = NULL) {
  d <- read.csv(file.path("..", "data", file))
  for (f in factors) d[[f]] <- factor(d[[f]])
  d$w <- if (is.null(weights)) 1 else d[[weights]]
  d$o <- if (is.null(offset)) 0 else d[[offset]]
  firth <- glm(formula, binomial, d, weights = w, offset = o, method = "brglmFit", type = "AS_mean",
               epsilon = 1e-13, maxit = 10000)
  X <- model.matrix(firth)
  slopes <- drop(X[, -1, drop = FALSE] %*% coef(firth)[-1]) + d$o
  top <- glm.control(epsilon = 1e-15, maxit = 100)
  mean <- suppressWarnings(glm(firth$y ~ 1, binomial, weights = d$w, offset = slopes, control = top))
  b <- c("(Intercept)" = unname(coef(mean)), coef(firth)[-1])
  p <- drop(plogis(X %*% b + d$o))
  V <- solve(crossprod(X * sqrt(d$w * p * (1 - p))))
  cat(sprintf(' "%s": {"coef": %s,\n  "se": %s,\n  "mean": %.17g}%s\n', name, numbers(b), numbers(sqrt(diag(V))),
              weighted.mean(p, d$w), if (name == "birthwt_offset") "" else ","))
}

cat("{\n")
flic("endometrial", "endometrial.csv", HG ~ NV + PI + EH)
flic("birthwt_logit", "birthwt.csv", low ~ age + lwt + race + smoke + ptl + ht + ui, factors = "race")
flic("iris_separated", "iris2.csv", setosa ~ Sepal_Length + Petal_Width)
flic("spector", "spector.csv", GRADE ~ GPA + TUCE + PSI)
flic("infert", "infert.csv", case ~ spontaneous + induced)
flic("birthwt_freq", "birthwt.csv", low ~ age + smoke + race, weights = "fw", factors = "race")
flic("birthwt_offset", "birthwt.csv", low ~ age + smoke + race, offset = "off", factors = "race")
cat("}\n")
