"""What networks are built from, out of the options."""


def generator_keywords(opt) -> dict:
    """What `build_generator` takes."""
    keywords = {
        "name": opt.netG,
        "image_channels": opt.input_nc,
        "width": opt.ngf,
        "n_blocks": opt.n_blocks,
        "norm": opt.norm,
        "dropout": opt.dropout,
        "recompute": opt.checkpoint_activations,
        "init": opt.init_type,
        "gain": opt.init_gain,
    }
    return keywords | ({"slots": min(opt.ins_per, opt.ins_max)} if opt.netG == "basic" else {})


def discriminator_keywords(opt) -> dict:
    """What `build_discriminator` takes."""
    keywords = {
        "name": opt.netD,
        "image_channels": opt.output_nc,
        "width": opt.ndf,
        "n_layers": opt.n_layers_D,
        "norm": opt.norm,
        "init": opt.init_D,
        "gain": opt.init_gain,
    }
    return keywords | ({"slots": opt.ins_max} if opt.netD == "basic" else {})
