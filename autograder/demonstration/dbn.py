"""What is particular to this assignment's demonstration class: another right route, and answers that are right in part."""

OTHER_ROUTE = {
    "rbm_conditional": """
import itertools
import math

def rbm_conditional(v, W, c):
    return (1 + np.tanh((np.asarray(v) @ W + c) / 2)) / 2
""",
    "free_energy": """
def free_energy(v, W, b, c):
    energies = []
    for row in np.asarray(v, dtype=float):
        fields = row @ W + c
        softplus = [max(a, 0.0) + math.log1p(math.exp(-abs(a))) for a in fields.tolist()]
        energies.append(-float(row @ b) - sum(softplus))
    return energies
""",
    "log_partition": """
def log_partition(W, b, c):
    print("summing over", min(np.shape(W)), "units")
    if np.shape(W)[1] < np.shape(W)[0]:
        return log_partition(np.transpose(W), c, b)
    result = -np.inf
    for state in itertools.product([0.0, 1.0], repeat=len(b)):
        result = np.logaddexp(result, -free_energy([state], W, b, c)[0])
    return result
""",
    "cd_k": """
def step(x, W, b, c, up, down):
    h = 1 * (rbm_conditional(x, W, c) > up)
    return 1 * (rbm_conditional(h, W.T, b) > down)

def cd_k(v, W, b, c, k, u_hidden, u_visible):
    x = v
    for t in range(k):
        x = step(x, W, b, c, u_hidden[t], u_visible[t])
    weight = np.repeat([1, -1], len(v)) / len(v)
    both = np.vstack([v, x])
    p = rbm_conditional(both, W, c)
    return [np.einsum("n,ni,nj->ij", weight, both, p), weight @ both, weight @ p]
""",
    "tie_and_bound": """
def tie_and_bound(x, W, b, c, dW, db, dc):
    top = (np.transpose(W) + dW, c + db, b + dc)
    log_z = log_partition(*top)
    bounds = []
    for row in x:
        p = rbm_conditional(row[None], W, c)[0]
        total = 0.0
        for h in itertools.product([0, 1], repeat=len(p)):
            q = math.prod(a if unit else 1 - a for a, unit in zip(p.tolist(), h))
            if q == 0:
                continue
            field = W @ np.array(h) + b
            likelihood = row @ field - np.logaddexp(0, field).sum()
            total += q * (likelihood - free_energy([h], *top)[0] - log_z - math.log(q))
        bounds.append(total)
    return [*top, bounds]
""",
    "sample": """
def sample(layers, start, u_hidden, u_visible, u_down):
    *below, (W, b, c) = layers
    x = start
    for t in range(len(u_hidden)):
        x = step(x, W, b, c, u_hidden[t], u_visible[t])
    while below:
        W, b, c = below.pop()
        x = (u_down[len(below)] < rbm_conditional(x, W.T, b)).astype(int)
    return x
""",
}

PARTLY_RIGHT = {
    # Adds the bias to the row that matrix multiplication left of a single hidden unit or a single row.
    "rbm_conditional": """
def rbm_conditional(v, W, c):
    field = np.squeeze(v @ W) + np.squeeze(c)
    return 0.5 + 0.5 * np.tanh(field / 2)
""",
    # Clips the fields so that exp stays finite: no overflow, and yet wrong.
    "free_energy": """
def free_energy(v, W, b, c):
    field = np.clip(v @ W + c, -500, 500)
    return -(v @ b) - np.log1p(np.exp(field)).sum(axis=1)
""",
    # Enumerates the visible layer, however small the hidden one is.
    "log_partition": """
def log_partition(W, b, c):
    if len(b) > 20:
        raise ValueError("too many states")
    states = np.array(list(np.ndindex(*[2] * len(b))))
    exponents = states @ b + np.logaddexp(0, states @ W + c).sum(axis=1)
    return np.logaddexp.reduce(exponents)
""",
    # Keeps the chain in the array of the data, which belongs to the caller.
    "cd_k": """
def cd_k(v, W, b, c, k, u_hidden, u_visible):
    sigmoid = lambda a: 0.5 + 0.5 * np.tanh(a / 2)
    first, data = sigmoid(v @ W + c), v.copy()
    for t in range(k):
        h = u_hidden[t] < sigmoid(v @ W + c)
        v[...] = u_visible[t] < sigmoid(h @ W.T + b)
    last = sigmoid(v @ W + c)
    return (data.T @ first - v.T @ last) / len(v), data.mean(axis=0) - v.mean(axis=0), (first - last).mean(axis=0)
""",
    # Keeps probabilities away from 0 and 1, which spoils units that are certain.
    "tie_and_bound": """
def tie_and_bound(x, W, b, c, dW, db, dc):
    def log_p(units, field):
        p = np.clip(0.5 + 0.5 * np.tanh(field / 2), 1e-9, 1 - 1e-9)
        return np.log(p) @ units.T + np.log(1 - p) @ (1 - units.T)

    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = np.array(list(np.ndindex(*[2] * len(c))))
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top -= np.logaddexp.reduce(log_top)
    log_q = log_p(h, x @ W + c)
    return W2, b2, c2, (np.exp(log_q) * (log_top + log_p(x, h @ W.T + b).T - log_q)).sum(axis=1)
""",
    # Passes down through one machine alone, however many there are.
    "sample": """
def sample(layers, start, u_hidden, u_visible, u_down):
    sigmoid = lambda a: 0.5 + 0.5 * np.tanh(a / 2)
    W, b, c = layers[-1]
    v = start
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < sigmoid(v @ W + c)) * 1.0
        v = (u_visible[t] < sigmoid(h @ W.T + b)) * 1.0
    if len(layers) > 1:
        W, b, c = layers[-2]
        v = (u_down[-1] < sigmoid(v @ W.T + b)) * 1.0
    return v
""",
}
