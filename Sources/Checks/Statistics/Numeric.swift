import Glibc

// The one place that knows where the functions come from.

func logarithm(_ value: Double) -> Double { log(value) }
func exponential(_ value: Double) -> Double { exp(value) }

func average(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

/// The sum of squared deviations from the mean.
func squares(_ values: [Double]) -> Double {
    let mean = average(values)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
}

/// The sample's standard deviation.
func deviation(_ values: [Double]) -> Double { values.count > 1 ? (squares(values) / Double(values.count - 1)).squareRoot() : 0 }

/// Student's t distribution.
enum StudentT {
    /// P(T > t) with `df` degrees of freedom, by the regularised incomplete beta function.
    static func upperTail(_ t: Double, df: Double) -> Double {
        guard t.isFinite else { return t > 0 ? 0 : 1 }
        let half = 0.5 * incompleteBeta(df / (df + t * t), df / 2, 0.5)
        return t >= 0 ? half : 1 - half
    }

    /// The t that is exceeded with probability `tail`, by bisection.
    static func quantile(tail: Double, df: Double) -> Double {
        var (low, high) = (0.0, 1.0)
        while upperTail(high, df: df) > tail, high < 1e12 { high *= 2 }
        // As many halvings as a Double has bits, and some.
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if upperTail(middle, df: df) > tail { low = middle } else { high = middle }
        }
        return high
    }
}

/// I_x(a, b), the regularised incomplete beta function, by its continued fraction (Lentz's method; DLMF 8.17.22).
func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
    let front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    let tiny = 1e-300
    func nonzero(_ value: Double) -> Double { abs(value) < tiny ? tiny : value }
    var c = 1.0
    var d = 1 / nonzero(1 - (a + b) * x / (a + 1))
    var fraction = d
    for m in 1...500 {
        let k = Double(m)
        for step in [
            k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)), -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1)),
        ] {
            d = 1 / nonzero(1 + step * d)
            c = nonzero(1 + step / c)
            fraction *= c * d
        }
        if abs(c * d - 1) < 1e-15 { break }
    }
    return front * fraction
}

/// Holm's step-down adjustment of p-values: those below 1 − confidence keep the chance of any false alarm among them all below that, whatever
/// their dependence (S. Holm, A simple sequentially rejective multiple test procedure, 1979; with weights, as it says).
///
/// - Parameter weights: the parts of that chance, not necessarily with the sum 1; equal ones by default.
func holm(_ values: [Double], weights: [Double]? = nil) -> [Double] {
    let weights = weights ?? values.map { _ in 1 }
    var adjusted = values
    var worst = 0.0
    // The weights of those that are not rejected yet.
    var left = weights.reduce(0, +)
    for index in values.indices.sorted(by: { values[$0] / weights[$0] < values[$1] / weights[$1] }) {
        worst = max(worst, min(1, values[index] * left / weights[index]))
        adjusted[index] = worst
        left -= weights[index]
    }
    return adjusted
}
