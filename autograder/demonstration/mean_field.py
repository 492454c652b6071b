"""What is particular to this assignment's demonstration class: another right route, and answers that are right in part."""

OTHER_ROUTE = {
    "mean_field_energy": """
def mean_field_energy(J, h, m):
    n, total = len(m), 0.0
    for i in range(n):
        total -= float(h[i]) * float(m[i]) + 0.5 * float(J[i][i])
        for j in range(i):
            total -= float(J[i][j]) * float(m[i]) * float(m[j])
    return total
""",
    "coordinate_update": """
import itertools
import math

def coordinate_update(log_p, qs, i):
    scores = [0.0] * log_p.shape[i]
    for state in itertools.product(*map(range, log_p.shape)):
        weight = math.prod(float(qs[j][state[j]]) for j in range(len(qs)) if j != i)
        if weight > 0:
            scores[state[i]] += weight * float(log_p[state])
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [w / sum(weights) for w in weights]
""",
    "log_partition_bound": """
def log_partition_bound(J, h, m):
    h2 = lambda p: 0.0 if p <= 0 else -p * math.log(p)
    entropy = sum(h2((1 + float(x)) / 2) + h2((1 - float(x)) / 2) for x in m)
    return entropy - mean_field_energy(J, h, m)
""",
    "coordinate_ascent": """
def sweep(J, h, m):
    for i, field in enumerate(h):
        up = np.exp(field + np.dot(J[i], m))
        down = np.exp(-field - np.dot(J[i], m))
        m[i] = (up - down) / (up + down)
    return m

def coordinate_ascent(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float, copy=True), []
    for _ in range(num_sweeps):
        m = sweep(J, h, m)
        trace.append(log_partition_bound(J, h, m))
    return [m, trace]
""",
    "denoise": """
def denoise(image, J, sigma):
    y = np.asarray(image, dtype=float)
    rows, columns = y.shape
    m = np.zeros_like(y)
    change = 1.0
    while change > 1e-7:
        change = 0.0
        for r in range(rows):
            for c in range(columns):
                near = [m[a, b] for a, b in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1))
                        if 0 <= a < rows and 0 <= b < columns]
                new = np.tanh(y[r, c] / sigma**2 + J * sum(near))
                change = max(change, abs(new - m[r, c]))
                m[r, c] = new
    return m
""",
}

PARTLY_RIGHT = {
    # Right on a zero diagonal alone: it drops the pairs of a spin with itself, and what they add.
    "mean_field_energy": """
def mean_field_energy(J, h, m):
    total = -h @ m
    for i in range(len(m)):
        for j in range(len(m)):
            if i < j:
                total = total - J[i, j] * m[i] * m[j]
    return total
""",
    # No shift before exp, so extreme tables overflow.
    "coordinate_update": """
def coordinate_update(log_p, qs, i):
    expected = np.array(log_p)
    for j in reversed(range(log_p.ndim)):
        if j != i:
            shape = [1] * log_p.ndim
            shape[j] = -1
            weight = qs[j].reshape(shape)
            terms = np.where(weight > 0, weight * np.where(weight > 0, expected, 0.0), 0.0)
            expected = terms.sum(axis=j, keepdims=True)
    q = np.exp(expected.ravel())
    return q / q.sum()
""",
    # Probabilities are kept away from 0, which spoils certain spins.
    "log_partition_bound": """
def log_partition_bound(J, h, m):
    p = np.clip(np.concatenate([(1 + m) / 2, (1 - m) / 2]), 1e-6, 1)
    return -np.sum(p * np.log(p)) + 0.5 * m @ J @ m + h @ m
""",
    # Works in place on the start that the caller owns.
    "coordinate_ascent": """
def coordinate_ascent(J, h, m0, num_sweeps):
    trace = np.zeros(num_sweeps)
    for sweep in range(num_sweeps):
        for i in range(len(m0)):
            m0[i] = np.tanh(h[i] + J[i] @ m0)
        p = np.concatenate([(1 + m0) / 2, (1 - m0) / 2])
        p = p[p > 0]
        trace[sweep] = -np.sum(p * np.log(p)) + 0.5 * m0 @ J @ m0 + h @ m0
    return m0, trace
""",
    # Divides the caller's image in place.
    "denoise": """
def denoise(image, J, sigma):
    image /= sigma**2
    m = np.tanh(image)
    for _ in range(200):
        padded = np.pad(m, 1)
        m = np.tanh(image + J * (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]))
    return m
""",
}
