#include "mutirao/models/internal/singular_values.hpp"

#include <Eigen/SVD>

namespace mutirao::models::internal {

CutSolution solve_by_singular_values(const Eigen::MatrixXd& triangle, double least_relative,
                                     double alpha) {
  const Eigen::Index p = triangle.cols() - 1;
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(triangle.leftCols(p),
                                           Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& values = svd.singularValues();
  const Eigen::VectorXd rotated = svd.matrixU().transpose() * triangle.col(p);
  CutSolution solution{.coefficients = Eigen::VectorXd::Zero(p)};
  for (Eigen::Index k = 0; k < values.size() && values(k) > least_relative * values(0); ++k) {
    solution.coefficients += svd.matrixV().col(k) * (rotated(k) / (values(k) + alpha / values(k)));
    ++solution.rank;
  }
  return solution;
}

}  // namespace mutirao::models::internal
