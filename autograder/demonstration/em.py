"""What is particular to this assignment's demonstration class: another right route, and answers that are right in part."""

OTHER_ROUTE = {
    "e_step": """
import math

def e_step(X, means):
    table = []
    for x in X:
        squares = [math.dist(x, m) ** 2 for m in means]
        row = [math.exp((min(squares) - s) / 2) for s in squares]
        table.append([w / sum(row) for w in row])
    return table
""",
    "m_step": """
def m_step(X, R):
    rows = []
    for column in np.asarray(R).T:
        mine = column > 0
        rows.append(np.average(X[mine], axis=0, weights=column[mine]) if mine.any() else np.zeros(X.shape[1]))
    return np.array(rows)
""",
    "log_likelihood": """
def log_likelihood(X, means):
    total = 0.0
    for x in X:
        logs = [-(math.dist(x, m) ** 2 + len(x) * math.log(2 * math.pi)) / 2 for m in means]
        total += np.logaddexp.reduce(logs) - math.log(len(logs))
    return total
""",
    "em_objective": """
def em_objective(X, means, R):
    result = 0.0
    for i, k in zip(*np.nonzero(R)):
        result -= R[i, k] * (math.log(R[i, k]) + math.log(len(means)) + np.sum((X[i] - means[k]) ** 2) / 2)
    return result - X.size / 2 * math.log(2 * math.pi)
""",
    "em": """
def em(X, means, num_iter):
    if num_iter == 0:
        return means, []
    new = m_step(X, np.array(e_step(X, means)))
    last, trace = em(X, new, num_iter - 1)
    return [last, [log_likelihood(X, new), *trace]]
""",
    "hard_em": """
def hard_em(X, means, num_iter):
    print("hard EM of", len(X), "points")
    means, trace = [np.array(m, dtype=float) for m in means], []
    while len(trace) < num_iter:
        labels = np.array([min(range(len(means)), key=lambda k: np.sum((x - means[k]) ** 2)) for x in X])
        for k in set(labels):
            means[k] = X[labels == k].mean(axis=0)
        trace.append(em_objective(X, means, labels[:, None] == np.arange(len(means))))
    return np.array(means), labels, trace
""",
}

PARTLY_RIGHT = {
    # Works in place: the posterior is right, but the caller's points are moved.
    "e_step": """
def e_step(X, means):
    centre = means.mean(axis=0)
    X -= centre
    score = X @ (means - centre).T - 0.5 * ((means - centre) ** 2).sum(axis=1)
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
""",
    # Puts an empty component at the average of the data.
    "m_step": """
def m_step(X, R):
    weights = R.sum(axis=0)
    return np.array([R[:, k] @ X / weights[k] if weights[k] > 0 else X.mean(axis=0) for k in range(len(weights))])
""",
    # Keeps the exponentials away from 0, which spoils points far from all means.
    "log_likelihood": """
def log_likelihood(X, means):
    squares = ((X[:, None] - means) ** 2).sum(axis=2)
    density = np.exp(-squares / 2).mean(axis=1) / (2 * np.pi) ** (X.shape[1] / 2)
    return np.log(np.maximum(density, 1e-300)).sum()
""",
    # Squeezes axes of length one away, which leaves nothing to sum over for one point or one dimension.
    "em_objective": """
def em_objective(X, means, R):
    offsets = np.squeeze(X[:, None] - means)
    joint = -(offsets ** 2).sum(axis=2) / 2 - np.log(len(means)) - X.shape[1] / 2 * np.log(2 * np.pi)
    surprise = np.where(R > 0, -np.log(np.where(R > 0, R, 1)), 0)
    return (R * (joint + surprise)).sum()
""",
    # Writes the new means into the array that the caller handed over.
    "em": """
def em(X, means, num_iter):
    trace = np.zeros(num_iter)
    for step in range(num_iter):
        score = X @ means.T - (means ** 2).sum(axis=1) / 2
        R = np.exp(score - np.logaddexp.reduce(score, axis=1)[:, None])
        means[...] = (R / R.sum(axis=0)).T @ X
        score = X @ means.T - (means ** 2).sum(axis=1) / 2 - (X ** 2).sum(axis=1)[:, None] / 2
        trace[step] = np.logaddexp.reduce(score, axis=1).sum()
    return means, trace - len(X) * np.log(len(means)) - X.size / 2 * np.log(2 * np.pi)
""",
    # Removes a component that has lost its points.
    "hard_em": """
def hard_em(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        labels = ((X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        means = np.array([X[labels == k].mean(axis=0) for k in range(len(means)) if (labels == k).any()])
        squares = ((X - means[np.minimum(labels, len(means) - 1)]) ** 2).sum()
        trace.append(-squares / 2 - len(X) * (np.log(len(means)) + X.shape[1] / 2 * np.log(2 * np.pi)))
    return means, labels, np.array(trace)
""",
}
